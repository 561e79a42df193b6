"""What the Python clients share: one JSON line for each thing a client saw."""

import importlib
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

MISSING = 77
PATIENCE = 60

_stdout = threading.Lock()


def needs(package):
    """The package, or an end with the code that tells the test what is missing."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError:
        sys.exit(MISSING)


def saw(stream, **what):
    with _stdout:
        print(json.dumps({"stream": stream, **what}), flush=True)


def each(read):
    """Reads all streams at once: `program URL STREAM...`."""
    url, *streams = sys.argv[1:]

    def run(stream):
        try:
            for event in read(f"{url}/{stream}", stream):
                saw(stream, event=event)
        except Exception as error:
            names = [kind.__name__ for kind in type(error).__mro__]
            saw(stream, error=names, message=str(error))
        else:
            saw(stream, end=True)

    with ThreadPoolExecutor(len(streams)) as pool:
        list(pool.map(run, streams))
