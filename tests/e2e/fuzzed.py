"""What the fuzzer may ask: it loads this module itself (SCHEMATHESIS_HOOKS).

An address of more than 65,534 bytes is refused by the HTTP library before the API sees it, without a body, and a document has no way
to say so.
"""

import urllib.parse

import schemathesis

LONGEST = 60_000


@schemathesis.hook
def filter_query(_context, query):
    return len(urllib.parse.urlencode(query or {}, doseq=True)) < LONGEST
