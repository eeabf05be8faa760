"""What OpenAI's API accepts in the body of a request: one table for each endpoint.

The facts are those of OpenAI's OpenAPI document (openai/openai-openapi at f85dbe2, 2026-08-21) and of the types of openai-python
3.57. What the document forbids is an error. A parameter or a word that it does not know is a warning, because both lists grow.
What depends on the model is a warning too.
"""
