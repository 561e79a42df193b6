from seen import PATIENCE, each, needs

anthropic = needs("anthropic")
shared = anthropic.Anthropic(
    base_url="http://unused", api_key="none", max_retries=0, timeout=PATIENCE
)


def read(url, _stream):
    client = shared.with_options(base_url=url)
    question = [{"role": "user", "content": "What carries the vault?"}]
    with client.messages.create(
        model="any", max_tokens=9, messages=question, stream=True
    ) as events:
        for event in events:
            yield event.to_dict()


each(read)
