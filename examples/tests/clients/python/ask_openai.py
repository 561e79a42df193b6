from seen import PATIENCE, each, needs

openai = needs("openai")
shared = openai.OpenAI(base_url="http://unused", api_key="none", max_retries=0, timeout=PATIENCE)


def read(url, _stream):
    client = shared.with_options(base_url=f"{url}/v1")
    question = [{"role": "user", "content": "What carries the vault?"}]
    with client.chat.completions.create(model="any", messages=question, stream=True) as chunks:
        for chunk in chunks:
            yield chunk.to_dict()


each(read)
