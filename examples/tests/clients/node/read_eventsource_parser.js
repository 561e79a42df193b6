const { needs, each } = require("./seen");

const { createParser } = needs("eventsource-parser");

each(async function* (url) {
  const seen = [];
  let id = "";
  const parser = createParser({
    onEvent(event) {
      id = event.id ?? id;
      seen.push({ event: event.event ?? "message", data: event.data, id });
    },
    onError(error) {
      throw error;
    },
  });
  const response = await fetch(url, { headers: { accept: "text/event-stream" } });
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    parser.feed(text);
    yield* seen.splice(0);
  }
});
