const { needs, each } = require("./seen");

const { OpenAI } = needs("openai");

each(async function* (url) {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
  const messages = [{ role: "user", content: "What carries the vault?" }];
  yield* await client.chat.completions.create({ model: "any", messages, stream: true });
});
