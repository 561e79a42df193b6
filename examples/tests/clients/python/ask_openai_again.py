from seen import PATIENCE, each, needs

openai = needs("openai")
shared = openai.OpenAI(
    base_url="http://unused", api_key="none", max_retries=2, timeout=PATIENCE
)


def read(url, answer):
    """Asks for a stream or for a whole answer, with one key for all attempts."""
    client = shared.with_options(base_url=f"{url}/v1")
    question = [{"role": "user", "content": "What carries the vault?"}]
    key = {"Idempotency-Key": f"key-of-{answer}"}
    chat = client.chat.completions
    if answer == "whole":
        with chat.create(
            model="any", messages=question, stream=True, extra_headers=key
        ) as chunks:
            for chunk in chunks:
                yield chunk.to_dict()
    else:
        yield chat.create(model="any", messages=question, extra_headers=key).to_dict()


each(read)
