"""Print the address of every Collection and Manifest below a Collection: addresses.py URL"""

import json
import sys
import urllib.request


def walk(address: str, seen: set[str]) -> None:
    """Print *address* and all that its document lists, each once."""
    if address in seen:
        return
    seen.add(address)
    print(address)
    with urllib.request.urlopen(address) as answer:
        document = json.load(answer)
    listed = document.get("items", []) if document.get("type") == "Collection" else []
    for key in ("collections", "manifests", "members"):
        listed += document.get(key, [])
    for entry in listed:
        walk(entry.get("id") or entry["@id"], seen)


walk(sys.argv[1], set())
