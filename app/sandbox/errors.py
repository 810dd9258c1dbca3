"""The errors of the custom hostnames API, by what went wrong.

Codes and statuses are those of Cloudflare's page on status codes; texts are ours in parts.
"""

from app.sandbox.envelope import ApiError

_CHECK = "Check your input and try again."


def bad_json() -> ApiError:
    """The body is no JSON object."""
    return ApiError(400, 1400, f"Unable to decode the JSON request body. {_CHECK}")


def bad_metadata() -> ApiError:
    """`custom_metadata` is no object."""
    return ApiError(400, 1401, f"Unable to encode the Custom Metadata as JSON. {_CHECK}")


def duplicate() -> ApiError:
    """The zone has this custom hostname already."""
    return ApiError(409, 1406, "Duplicate custom hostname found.")


def bad_setting(code: int, name: str, allowed: str) -> ApiError:
    """A value of `ssl.settings` is not one of those allowed."""
    return ApiError(400, code, f"Invalid {name} setting. Only {allowed} is accepted. {_CHECK}")


def bad_method() -> ApiError:
    """`ssl.method` is not one this emulator knows."""
    return ApiError(400, 1432, f"The validation method is not supported. {_CHECK}")


def bad_type() -> ApiError:
    """`ssl.type` is not `dv`."""
    return ApiError(
        400, 1433, f"The validation type is not supported. Only 'dv' is accepted. {_CHECK}"
    )


def bad_ssl() -> ApiError:
    """`ssl` has a part of the wrong kind."""
    return ApiError(400, 1434, f"The SSL attribute is invalid. {_CHECK}")


def bad_id() -> ApiError:
    """The path's id is no custom hostname's."""
    return ApiError(400, 1435, f"The custom hostname ID is invalid. {_CHECK}")


def not_found() -> ApiError:
    """No custom hostname has this id."""
    return ApiError(404, 1436, "The custom hostname was not found.")


def id_alone() -> ApiError:
    """`id` came with another filter."""
    return ApiError(
        400,
        1438,
        f"Cannot specify other filter parameters in addition to `id`. {_CHECK}",
    )


def method_and_type() -> ApiError:
    """Only one of `ssl.method` and `ssl.type` came, or neither where both are needed."""
    return ApiError(400, 1440, f"Both validation type and validation method are required. {_CHECK}")


def no_wildcard() -> ApiError:
    """A wildcard with a method that cannot prove one."""
    return ApiError(
        400,
        1448,
        "Custom hostnames with wildcards are not supported for certificates validated by http. "
        "Review your input and try again.",
    )


def bad_bundle_method() -> ApiError:
    """`ssl.bundle_method` is unknown."""
    return ApiError(
        400, 1449, "The request input bundle_method must be one of: ubiquitous, optimal, force."
    )


def needs_branding() -> ApiError:
    """The name is too long for a certificate's common name."""
    return ApiError(
        400,
        1469,
        "Custom hostnames longer than 64 characters need ssl.cloudflare_branding. " + _CHECK,
    )


def bad_parameter(name: str) -> ApiError:
    """A query parameter has an impossible value."""
    return ApiError(400, 1437, f"Invalid {name} query parameter. {_CHECK}")
