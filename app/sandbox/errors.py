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


def no_quota() -> ApiError:
    """The account has no custom hostnames at all."""
    return ApiError(403, 1404, "No custom hostname quota has been allocated for this zone.")


def quota_exceeded() -> ApiError:
    """There are as many custom hostnames as there may be."""
    return ApiError(403, 1405, "The custom hostname quota of this zone has been exceeded.")


def no_custom_metadata() -> ApiError:
    """The plan has no custom metadata."""
    return ApiError(403, 1413, "Access to custom metadata has not been granted for this zone.")


def no_custom_origin() -> ApiError:
    """The plan has no custom origins."""
    return ApiError(403, 1414, "Access to custom origin servers has not been granted.")


def no_choice_of_authority() -> ApiError:
    """The plan does not choose the certificate authority. Status and code are a reading."""
    return ApiError(403, 1459, "Access to choosing a certificate authority has not been granted.")


def wildcard_not_allowed() -> ApiError:
    """The plan has no wildcards."""
    return ApiError(400, 1448, "Custom hostnames with wildcards are not supported for this zone.")


def unauthorized() -> ApiError:
    """The token may not touch this resource."""
    return ApiError(403, 9109, "Unauthorized to access requested resource")


def invalid_token() -> ApiError:
    """No such token, or no longer."""
    return ApiError(401, 1000, "Invalid API Token")


def no_such_zone(path: str) -> ApiError:
    """The zone is not in any account that the token can see."""
    return ApiError(
        404, 7003, f"Could not route to {path}, perhaps your object identifier is invalid?"
    )
