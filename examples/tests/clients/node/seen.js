// What the Node clients share: one JSON line for each thing a client saw.

const MISSING = 77;

/** The package, or an end with the code that tells the test what is missing. */
exports.needs = (name) => {
  try {
    return require(name);
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
    process.exit(MISSING);
  }
};

const saw = (stream, what) => console.log(JSON.stringify({ stream, ...what }));

/** Reads all streams at once: `program URL STREAM...`. */
exports.each = (read) => {
  const [url, ...streams] = process.argv.slice(2);
  for (const stream of streams) run(read(`${url}/${stream}`, stream), stream);
};

async function run(events, stream) {
  try {
    for await (const event of events) saw(stream, { event });
    saw(stream, { end: true });
  } catch (error) {
    saw(stream, { error: names(error), message: error.message });
  }
}

/** The error's class and those it extends. */
function names(error) {
  const found = [];
  for (let kind = error.constructor; kind?.name; kind = Object.getPrototypeOf(kind)) {
    found.push(kind.name);
  }
  return found;
}
