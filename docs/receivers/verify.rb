# Verify Nameplate's webhooks. Needs nothing but Ruby 3.1.
require "json"
require "openssl"

module Nameplate
  class NotVerified < StandardError; end

  TOLERANCE_SECONDS = 300
  # At least 24 bytes in base64. A key of another form must verify nothing.
  KEY = %r{\A(?<kind>whsec|whpk)_(?<encoded>[A-Za-z0-9+/]{32,}={0,2})\z}
  # What stands before the 32 bytes of an Ed25519 key in DER (RFC 8410).
  ED25519_PREFIX = ["302a300506032b6570032100"].pack("H*")

  # Return the event. NotVerified: somebody else sent it. ArgumentError: the key is malformed.
  #
  # `body` is the bytes that arrived, `headers` have lower-case names, and `key` is the endpoint's
  # secret (whsec_...) or public key (whpk_...). In Rack:
  #
  #   headers = %w[id timestamp signature].to_h do |name|
  #     ["webhook-#{name}", request.get_header("HTTP_WEBHOOK_#{name.upcase}")]
  #   end
  #   Nameplate.verify(request.body.read, headers, ENV.fetch("SECRET"))
  def self.verify(body, headers, key)
    parts = KEY.match(key) or raise ArgumentError, "the key must be whsec_... or whpk_..."
    id, timestamp, signatures =
      headers.values_at("webhook-id", "webhook-timestamp", "webhook-signature")
    raise NotVerified, "a header is missing" unless id && timestamp && signatures

    too_old = !timestamp.match?(/\A\d+\z/) || (Time.now.to_i - timestamp.to_i).abs > TOLERANCE_SECONDS
    raise NotVerified, "too old" if too_old

    signed = "#{id}.#{timestamp}.".b + body.b
    bytes = parts[:encoded].unpack1("m")
    fits = parts[:kind] == "whpk" ? ed25519(signed, bytes) : hmac(signed, bytes)
    raise NotVerified, "no signature fits" unless signatures.split(" ").any?(&fits)

    JSON.parse(body)
  end

  def self.hmac(signed, secret)
    expected = OpenSSL::HMAC.digest("SHA256", secret, signed)
    lambda do |signature|
      version, value = signature.split(",", 2)
      given = value.to_s.unpack1("m")
      version == "v1" && given.bytesize == expected.bytesize &&
        OpenSSL.fixed_length_secure_compare(given, expected)
    end
  end

  def self.ed25519(signed, public_key)
    key = OpenSSL::PKey.read(ED25519_PREFIX + public_key)
    lambda do |signature|
      version, value = signature.split(",", 2)
      version == "v1a" && key.verify(nil, value.to_s.unpack1("m"), signed)
    rescue OpenSSL::PKey::PKeyError
      false
    end
  end
  private_class_method :hmac, :ed25519
end
