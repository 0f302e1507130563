"""Asks the model once, at the address and with the key that the agent was given; prints what Kilocode would."""

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

options = json.loads(Path(os.environ["KILO_CONFIG"]).read_text())["provider"]["soulcaster"]["options"]
body = json.dumps({"model": "scripted-1", "stream": True, "messages": [{"role": "user", "content": "hello"}]})
request = urllib.request.Request(options["baseURL"] + "/chat/completions", body.encode(), method="POST")
request.add_header("Authorization", f"Bearer {options['apiKey']}")
request.add_header("Content-Type", "application/json")
try:
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()
except OSError as error:
    status = error.code if isinstance(error, urllib.error.HTTPError) else None
    told = {"name": "APIError", "data": {"message": str(error), **({"statusCode": status} if status else {})}}
    sys.stdout.write(json.dumps({"type": "error", "error": told}) + "\n")
    sys.exit(1)
sys.stdout.write(json.dumps({"type": "text", "part": {"text": "the model answered"}}) + "\n")
