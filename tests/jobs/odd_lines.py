"""Request lines that any decoding and encoding would change."""

from __future__ import annotations

__all__ = ["ODD"]

DEEP = b"[" * 1_000 + b"]" * 1_000

ODD = (
    b'{"custom_id": "big", "method": "POST", "url": "/v1/responses", "body": {"model": "m", "seed": 18446744073709551616}}',
    b'{"custom_id": "exponent", "method": "POST", "url": "/v1/responses", "body": {"model": "m", "temperature": 1E2}}',
    b'{"custom_id": "twice", "method": "POST", "url": "/v1/responses", "body": {"model": "m", "model": "m", "input": "a"}}',
    b'\t{ "custom_id" :"spaces" ,  "method":"POST","url":"/v1/responses","body":{"model":"m" , "input" : "a" } }  \r',
    b'{"custom_id": "deep", "method": "POST", "url": "/v1/responses", "body": {"model": "m", "metadata": %b}}' % DEEP,
    b'{"custom_id": "caf\\u00e9", "method": "POST", "url": "\\/v1\\/responses", "body": {"user": "\\u2028 \xe2\x80\xa8"}}',
    b'{"custom_id": "half", "method": "POST", "url": "/v1/responses", "body": {"model": "m", "input": "\\ud83d"}}',
    b'{"custom_id": "zero", "method": "POST", "url": "/v1/responses", "body": {"model": "m", "top_p": -0.0, "n": 1.0}}',
)
