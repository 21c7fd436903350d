"""Where this dialect's operations are. Owns nothing else: `dialect` serves them under the older prefix too."""

CLIENT = "/_matrix/client/v3"
OLDER_CLIENT = "/_matrix/client/r0"
"""The same operations, as clients before Matrix 1.1 ask for them."""
