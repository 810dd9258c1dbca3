"""Run the `verify` of a file over messages: `driver.py FILE`, JSON in, verdicts out."""

import base64
import importlib.util
import json
import sys

spec = importlib.util.spec_from_file_location("receiver", sys.argv[1])
assert spec is not None
assert spec.loader is not None
receiver = importlib.util.module_from_spec(spec)
spec.loader.exec_module(receiver)


def verdict(message: dict[str, object]) -> object:
    body = base64.b64decode(str(message["body"]))
    try:
        return receiver.verify(body, message["headers"], message["key"])["type"]
    except ValueError:
        return None


json.dump([verdict(each) for each in json.load(sys.stdin)], sys.stdout)
