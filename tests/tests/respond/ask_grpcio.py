"""Makes calls with gRPC's own library, and reports what it sees of each, a line of JSON per call."""

import json
import sys
import time

try:
    import grpc
except ImportError:
    sys.exit(77)


def ask(channel, kind, method):
    begun = time.monotonic()
    messages = []
    path = "/test/" + method
    try:
        if kind == "stream":
            answer = channel.unary_stream(path)(b"", timeout=60)
            for message in answer:
                messages.append(message.decode())
        else:
            message, answer = channel.unary_unary(path).with_call(b"", timeout=60)
            messages.append(message.decode())
    except grpc.RpcError as error:
        answer = error
    return {
        "code": answer.code().name,
        "details": answer.details(),
        "messages": messages,
        "trailers": dict(answer.trailing_metadata() or ()),
        "seconds": time.monotonic() - begun,
    }


RETRIES = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.01s",
                "maxBackoff": "0.01s",
                "backoffMultiplier": 1,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


def main():
    address, *calls = sys.argv[1:]
    for call in calls:
        kind, method = call.split(":")
        # Told to wait for a moment, it would try again by itself.
        options = [("grpc.enable_retries", 0)]
        if kind == "persistent":
            options = [("grpc.service_config", json.dumps(RETRIES))]
        with grpc.insecure_channel(address, options=options) as channel:
            print(json.dumps(ask(channel, kind, method)), flush=True)


main()
