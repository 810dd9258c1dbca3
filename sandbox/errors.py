"""The errors of the custom hostnames API, by what went wrong.

Codes and statuses are those of Cloudflare's page on status codes; texts are ours in parts.
"""

from sandbox.envelope import ApiError

_CHECK = "Please check your input and try again."
_SALES = "https://www.cloudflare.com/plans/enterprise/contact/"
_ENROL = (
    "If you are already a paid Cloudflare for SaaS customer, contact your account team for "
    "additional provisioning. If you are not yet enrolled, fill out this contact form and our "
    "sales team will reach out to you."
)
_NO_ROUTE = "Could not route to {path}, perhaps your object identifier is invalid?"


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
    """The account has no custom hostnames at all: Cloudflare for SaaS is not enabled."""
    return ApiError(
        403,
        1404,
        "No quota has been allocated for this zone or for this account. If you're already a paid "
        "SSL for SaaS customer, please contact your Customer Success Manager for additional "
        "provisioning. If you're not yet enrolled, please fill out this form and someone from our "
        f"sales team will contact you: {_SALES}.",
    )


def no_fallback_origin_access() -> ApiError:
    """Cloudflare for SaaS is not enabled, said by the fallback origin's path."""
    return ApiError(
        403,
        1456,
        "Access to configure this resource has not been granted for this zone. This feature is "
        "available with SSL for SaaS.",
    )


def quota_exceeded() -> ApiError:
    """There are as many custom hostnames as there may be."""
    return ApiError(403, 1405, f"Quota exceeded. {_ENROL}")


def no_custom_metadata() -> ApiError:
    """The plan has no custom metadata."""
    return ApiError(
        403, 1413, "No custom metadata access has been allocated for this zone or account."
    )


def no_custom_origin() -> ApiError:
    """The plan has no custom origins."""
    return ApiError(
        403,
        1414,
        f"Access to setting a custom origin server has not been granted for this zone. {_ENROL}",
    )


def no_custom_origin_sni() -> ApiError:
    """The plan has custom origins without a name of their own for TLS. The code is a reading."""
    return ApiError(403, 1414, "Access to setting a custom origin SNI has not been granted.")


def no_choice_of_authority() -> ApiError:
    """The plan does not choose the certificate authority. The double spaces are Cloudflare's."""
    return ApiError(
        400,
        1459,
        "Certificate Authority selection is only available on an Enterprise plan.  If you're "
        "interested in the Enterprise plan,  please fill out this form and someone from our sales "
        f"team will contact you: {_SALES}",
    )


def wildcard_not_allowed() -> ApiError:
    """The plan has no wildcards."""
    return ApiError(400, 1448, "Custom hostnames with wildcards are not supported for this zone.")


def no_permission() -> ApiError:
    """The token is good, but lacks the permission for this resource."""
    return ApiError(403, 10000, "Authentication error", is_short=True)


def unauthorized() -> ApiError:
    """The zone or account is not one of the token's."""
    return ApiError(403, 9109, "Unauthorized to access requested resource")


def expired_token() -> ApiError:
    """The token is past its end."""
    return ApiError(403, 9109, "Invalid access token")


def wrong_location(address: str) -> ApiError:
    """The token's address filter does not let the caller in."""
    return ApiError(403, 9109, f"Cannot use the access token from location: {address}")


def invalid_token() -> ApiError:
    """No such token, or no longer."""
    return ApiError(401, 1000, "Invalid API Token")


def malformed_token() -> ApiError:
    """The header holds no token."""
    chain = ((6111, "Invalid format for Authorization header"),)
    return ApiError(400, 6003, "Invalid request headers", chain=chain)


def missing_token(*, verifies: bool) -> ApiError:
    """There is no header; where tokens are verified, another code says so."""
    if verifies:
        return ApiError(400, 1001, 'Missing "Authorization" header')
    return ApiError(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")


def no_list_of_accounts() -> ApiError:
    """An account-owned token may not list accounts; one source says that it may."""
    return ApiError(400, 1001, "List accounts endpoint does not support account owned tokens.")


def no_such_zone(path: str) -> ApiError:
    """The zone is not in any account that the token can see."""
    return ApiError(404, 7003, _NO_ROUTE.format(path=path))


def not_routed(path: str, status: int) -> ApiError:
    """The older answer to a path whose identifier is none: two errors."""
    also = ((7000, "No route for that URI"),)
    return ApiError(status, 7003, _NO_ROUTE.format(path=path), also=also)
