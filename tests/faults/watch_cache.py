"""A reader of the cache that knows nothing of strive: until it is told to stop, it checks everything that is visible.

`python watch_cache.py CACHE`: looks again and again; on SIGTERM prints `{"looks", "seen", "wrong"}`.
"""

import hashlib
import json
import signal
import sys
import time
from pathlib import Path

stop: list[int] = []


def look(cache: Path, known: set[str], wrong: list[str]) -> None:
    """Check what was not seen before: a manifest is the proof that all of its files are there, whole."""
    for place in cache.glob("*/??/*/manifest.json"):
        name = str(place.parent.relative_to(cache))
        if name in known:
            continue
        known.add(name)
        try:
            for output in json.loads(place.read_bytes())["outputs"]:
                data = (place.parent / output["path"]).read_bytes()
                if len(data) != output["bytes"] or f"sha256:{hashlib.sha256(data).hexdigest()}" != output["digest"]:
                    wrong.append(f"{name}/{output['path']}: not the bytes of its manifest")
        except (OSError, ValueError, KeyError) as error:
            wrong.append(f"{name}: {error}")


def main() -> None:
    """Look until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda number, frame: stop.append(number))
    cache, looks, known, wrong = Path(sys.argv[1]), 0, set[str](), list[str]()
    print("looking", flush=True)
    while not stop:
        looks += 1
        look(cache, known, wrong)
        time.sleep(0.002)
    look(cache, known, wrong)
    print(json.dumps({"looks": looks, "seen": len(known), "wrong": wrong}))


main()
