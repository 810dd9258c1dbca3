<?php
// Verify Nameplate's webhooks. Needs PHP 8, and its extension sodium for Ed25519.
declare(strict_types=1);

namespace Nameplate;

const TOLERANCE_SECONDS = 300;
// At least 24 bytes in base64. A key of another form must verify nothing.
const KEY = '~^(whsec|whpk)_([A-Za-z0-9+/]{32,}={0,2})$~D';

/**
 * Return the event. Throws if somebody else sent it, or if the key is malformed.
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
    if (!preg_match(KEY, $key, $parts)) {
        throw new \InvalidArgumentException('the key must be whsec_... or whpk_...');
    }
    [$kind, $bytes] = [$parts[1], base64_decode($parts[2])];
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
        if (fits($version, base64_decode($value), "$id.$timestamp.$body", $kind, $bytes)) {
            return json_decode($body, true, flags: JSON_THROW_ON_ERROR);
        }
    }
    throw new \UnexpectedValueException('no signature fits');
}

function fits(string $version, string $signature, string $signed, string $kind, string $key): bool
{
    if ($kind === 'whpk') {
        return $version === 'v1a'
            && strlen($signature) === SODIUM_CRYPTO_SIGN_BYTES
            && strlen($key) === SODIUM_CRYPTO_SIGN_PUBLICKEYBYTES
            && sodium_crypto_sign_verify_detached($signature, $signed, $key);
    }
    return $version === 'v1' && hash_equals(hash_hmac('sha256', $signed, $key, true), $signature);
}
