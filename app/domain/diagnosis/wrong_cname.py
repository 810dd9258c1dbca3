"""The most likely mistake in a CNAME record that points elsewhere. Pure."""

from __future__ import annotations

from app.domain.diagnosis.catalogue import Code
from app.domain.diagnosis.names import distance, is_within
from app.domain.diagnosis.subject import Subject

# Suffixes of the names that services give their customers to point at.
SERVICES = {
    "myshopify.com": "Shopify",
    "github.io": "GitHub Pages",
    "gitlab.io": "GitLab Pages",
    "netlify.app": "Netlify",
    "netlify.com": "Netlify",
    "netlifyglobalcdn.com": "Netlify",
    "vercel.app": "Vercel",
    "vercel-dns.com": "Vercel",
    "now.sh": "Vercel",
    "herokudns.com": "Heroku",
    "herokuapp.com": "Heroku",
    "wixdns.net": "Wix",
    "squarespace.com": "Squarespace",
    "wordpress.com": "WordPress.com",
    "wpengine.com": "WP Engine",
    "webflow.com": "Webflow",
    "webflow.io": "Webflow",
    "fastly.net": "Fastly",
    "cloudfront.net": "Amazon CloudFront",
    "amazonaws.com": "Amazon Web Services",
    "azurewebsites.net": "Azure App Service",
    "azurefd.net": "Azure Front Door",
    "azureedge.net": "Azure CDN",
    "trafficmanager.net": "Azure Traffic Manager",
    "pages.dev": "Cloudflare Pages",
    "cdn.cloudflare.net": "another Cloudflare zone",
    "googlehosted.com": "Google",
    "ghost.io": "Ghost",
    "hubspot.net": "HubSpot",
    "sites.hubspot.net": "HubSpot",
    "bigcommerce.com": "BigCommerce",
    "onrender.com": "Render",
    "fly.dev": "Fly.io",
    "firebaseapp.com": "Firebase",
    "web.app": "Firebase",
    "akamaiedge.net": "Akamai",
    "edgekey.net": "Akamai",
    "edgesuite.net": "Akamai",
    "b-cdn.net": "bunny.net",
    "unbouncepages.com": "Unbounce",
    "zendesk.com": "Zendesk",
    "tumblr.com": "Tumblr",
}
MISTAKES = 2
"""So many wrong characters still make a misspelling."""
SHORTEST = 8
"""Shorter names differ too little from one another."""


def likely_mistake(subject: Subject, zone: str, found: str) -> tuple[Code, dict[str, str]]:
    """Return the code for a CNAME value that is not a target, and its further parameters."""
    if is_target_doubled(subject.targets, zone, found):
        return Code.CNAME_TARGET_DOUBLED, {}
    if found == subject.fallback_origin:
        return Code.CNAME_TO_FALLBACK_ORIGIN, {}
    if found == subject.provider_zone:
        return Code.CNAME_TO_PROVIDER_ZONE, {}
    service = service_of(found)
    # A target may itself lie at a service, so that another name there is misspelt.
    if service and not any(service_of(target) == service for target in subject.targets):
        return Code.CNAME_AT_OTHER_SERVICE, {"service": service}
    if any(is_misspelt(found, target) for target in subject.targets):
        return Code.CNAME_MISSPELT, {}
    return Code.CNAME_ELSEWHERE, {}


def is_target_doubled(targets: tuple[str, ...], zone: str, found: str) -> bool:
    """Whether the value is a target with the zone's name, or a name below it, appended.

    A zone file appends its origin to a value without a final dot (RFC 1035, section 5.1).
    """
    return any(
        found.startswith(target + ".") and is_within(found.removeprefix(target + "."), zone)
        for target in targets
    )


def service_of(name: str) -> str | None:
    """Return the service that the name belongs to, if it is a known one."""
    return next((SERVICES[suffix] for suffix in SERVICES if is_within(name, suffix)), None)


def is_misspelt(found: str, target: str) -> bool:
    """Whether the name was most likely meant to be the target.

    It has a few wrong characters, one label too many or too few, or another top-level domain.
    """
    labels, wanted = found.split("."), target.split(".")
    if len(labels) > 1 and (_lacks_one(labels, wanted) or _lacks_one(wanted, labels)):
        return True
    if labels[:-1] == wanted[:-1]:
        return True
    return len(target) >= SHORTEST and distance(found, target) <= MISTAKES


def _lacks_one(labels: list[str], wanted: list[str]) -> bool:
    return any(labels == wanted[:at] + wanted[at + 1 :] for at in range(len(wanted)))
