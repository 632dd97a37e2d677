"""Credentials that must turn up nowhere but in the request."""

CANARY = {
    "anthropic": "sk-ant-admin01-canarycanarycanarycanary",
    "cline": "sk_canarycanarycanarycanary",
}
