from seen import PATIENCE, each, needs

httpx = needs("httpx")
httpx_sse = needs("httpx_sse")
shared = httpx.Client(timeout=PATIENCE, limits=httpx.Limits(max_connections=None))


def read(url, _stream):
    with httpx_sse.connect_sse(shared, "GET", url) as source:
        for event in source.iter_sse():
            yield {"event": event.event, "data": event.data, "id": event.id}


each(read)
