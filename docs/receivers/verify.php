<?php
// Verify Nameplate's webhooks. Needs PHP 8, and its extension sodium for Ed25519.
declare(strict_types=1);

namespace Nameplate;

const TOLERANCE_SECONDS = 300;

/**
 * Return the event, or throw: then somebody else sent it.
 *
 * $body is what `file_get_contents('php://input')` gives, $headers what
 * `array_change_key_case(getallheaders())` gives, and $key the endpoint's secret (whsec_...) or
 * public key (whpk_...).
 *
 * @param array<string, string> $headers
 * @return array<string, mixed>
 */
function verify(string $body, array $headers, string $key): array
{
    $id = $headers['webhook-id'] ?? '';
    $timestamp = $headers['webhook-timestamp'] ?? '';
    $signatures = $headers['webhook-signature'] ?? '';
    if ($id === '' || $timestamp === '' || $signatures === '') {
        throw new \UnexpectedValueException('a header is missing');
    }
    if (!ctype_digit($timestamp) || abs(time() - (int) $timestamp) > TOLERANCE_SECONDS) {
        throw new \UnexpectedValueException('too old');
    }
    foreach (explode(' ', $signatures) as $signature) {
        [$version, $value] = explode(',', $signature, 2) + ['', ''];
        if (fits($version, base64_decode($value), "$id.$timestamp.$body", $key)) {
            return json_decode($body, true, flags: JSON_THROW_ON_ERROR);
        }
    }
    throw new \UnexpectedValueException('no signature fits');
}

function fits(string $version, string $signature, string $signed, string $key): bool
{
    [$kind, $text] = explode('_', $key, 2);
    $bytes = base64_decode($text);
    if ($kind === 'whpk') {
        return $version === 'v1a'
            && strlen($signature) === SODIUM_CRYPTO_SIGN_BYTES
            && sodium_crypto_sign_verify_detached($signature, $signed, $bytes);
    }
    return $version === 'v1' && hash_equals(hash_hmac('sha256', $signed, $bytes, true), $signature);
}
