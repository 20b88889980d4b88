"""Adds rules for valid requests that a schema cannot express, so that every remaining rejection is a fault."""

import math
import time
from datetime import datetime, timezone

import schemathesis


@schemathesis.hook
def filter_headers(context, headers):
    # The tool takes an empty list of codings for invalid. It means that the body is not encoded.
    return (headers or {}).get("Content-Encoding") != ""


@schemathesis.hook
def before_call(context, case, kwargs):
    if not case.meta or not case.meta.generation.mode.is_positive:
        return
    query, headers = case.query or {}, case.headers or {}
    # The window must lie within the retention, with a minute for the request.
    if "end" in query:
        query["end"] = int(time.time()) if str(query["end"]).isdigit() else datetime.now(timezone.utc).isoformat()
        query["window"] = min(int(query.get("window", 300)), 1800 - 60)
    # A step must divide the window.
    if "step" in query:
        query["step"] = math.gcd(int(query["step"]), int(query.get("window", 300)))
    # This parameter is one list. In its coverage phase, the tool repeats the parameter instead.
    if isinstance(names := query.get("group_by"), list):
        query["group_by"] = ",".join(names)
    # The tool does not compress bodies.
    if headers.get("Content-Encoding") in ("gzip", "zstd"):
        headers["Content-Encoding"] = "identity"
