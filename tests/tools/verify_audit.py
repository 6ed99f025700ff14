#!/usr/bin/env python3
"""Verifies an exported audit trail with nothing but Python's own SHA-256: python3 verify_audit.py EXPORT.jsonl

Knows only what docs/audit.md says about the format. Prints the last entry's place and hash; exit status 1 where a line does not
follow the one before it.
"""

import hashlib
import json
import sys


def main(path):
    before, last = None, ("0", "0" * 64)
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            entry = json.loads(line)
            text = f'{entry["previous"]}\n{entry["seq"]}\n{entry["at"]}\n{entry["body"]}\n'
            if hashlib.sha256(text.encode("utf-8")).hexdigest() != entry["hash"]:
                return f"line {number}: the hash of entry {entry['seq']} is another"
            if before is not None and (entry["seq"], entry["previous"]) != (before["seq"] + 1, before["hash"]):
                return f"line {number}: entry {entry['seq']} does not follow entry {before['seq']}"
            before, last = entry, (entry["seq"], entry["hash"])
    print(last[0], last[1])
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
