"""What a field allows, in words."""

from typing import Any


def in_words(schema: dict[str, Any], inner: dict[str, Any]) -> str:
    """What a JSON Schema allows; `inner` holds what its references lead to.

    Examples:
        >>> in_words({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, {})
        'number > 0, <= 1'
        >>> in_words({"anyOf": [{"enum": ["all", "own"]}, {"type": "null"}]}, {})
        'all | own | null'
    """
    if "$ref" in schema:
        return in_words(inner[schema["$ref"].rpartition("/")[2]], inner)
    if "properties" in schema:
        return f"object of {', '.join(schema['properties'])}"
    if "slot" in schema:
        return f"one of {schema['slot']}"
    if "anyOf" in schema:
        return " | ".join(in_words(choice, inner) for choice in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        least = f", {schema['minItems']} or more" if schema.get("minItems") else ""
        return f"list of {in_words(schema.get('items', {}), inner)}{least}"
    if schema.get("type") == "object":
        of_a_form = schema.get("patternProperties", {})
        item: Any = schema.get("additionalProperties") or next(iter(of_a_form.values()), {})
        return f"object of name: {in_words(item, inner)}"
    if "pattern" in schema:
        return f"string of the form {schema['pattern']}"
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    bounds = [f"{sign} {_number(schema[key])}" for key, sign in signs.items() if key in schema]
    return f"{schema.get('type', 'anything')} {', '.join(bounds)}".strip()


def _number(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"
