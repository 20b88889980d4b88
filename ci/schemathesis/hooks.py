"""What a schema cannot say of a valid request, so that what is refused of the rest is a fault."""

import math

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    if not case.meta or not case.meta.generation.mode.is_positive:
        return
    query, headers = case.query or {}, case.headers or {}
    # A step has to divide the window.
    if "step" in query:
        query["step"] = math.gcd(int(query["step"]), int(query.get("window", 300)))
    # A list in one parameter, which the tool repeats in its coverage phase.
    if isinstance(names := query.get("group_by"), list):
        query["group_by"] = ",".join(names)
    # The tool sends bodies as they are.
    if headers.get("Content-Encoding") in ("gzip", "zstd"):
        headers["Content-Encoding"] = "identity"
