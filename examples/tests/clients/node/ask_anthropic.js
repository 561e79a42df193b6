const { needs, each } = require("./seen");

const { Anthropic } = needs("@anthropic-ai/sdk");

each(async function* (url) {
  const client = new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });
  const messages = [{ role: "user", content: "What carries the vault?" }];
  yield* await client.messages.create({ model: "any", max_tokens: 9, messages, stream: true });
});
