const { needs, each } = require("./seen");

const { EventSource } = needs("eventsource");

each(async function* (url) {
  const source = new EventSource(url);
  const seen = [];
  let id = "";
  const note = ({ type, data, lastEventId }) => {
    id = lastEventId || id; // it is empty where an event has none of its own
    seen.push({ event: type, data, id });
  };
  source.addEventListener("message", note);
  source.addEventListener("note", note);
  // The end of the stream: from here on it would connect again.
  await new Promise((ended) => source.addEventListener("error", ended));
  source.close();
  yield* seen;
});
