// Verify Nameplate's webhooks. Needs nothing but Node.
import { createHmac, createPublicKey, timingSafeEqual, verify as verifyEd25519 } from "node:crypto";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const TOLERANCE_SECONDS = 300;
// At least 24 bytes in base64. A key of another form must verify nothing.
const KEY = /^(whsec|whpk)_([A-Za-z0-9+/]{32,}={0,2})$/;

/**
 * Return the event. Throws if somebody else sent it, or if the key is malformed.
 * @param {Buffer} body the bytes that arrived
 * @param {Record<string, string>} headers by lower-case names, as Node has them
 * @param {string} key the endpoint's secret (whsec_...) or public key (whpk_...)
 */
export function verify(body, headers, key) {
  const [, kind, encoded] = KEY.exec(key) ?? [];
  if (!kind) throw new Error("the key must be whsec_... or whpk_...");
  const id = headers["webhook-id"];
  const timestamp = headers["webhook-timestamp"];
  const signatures = headers["webhook-signature"];
  if (!id || !timestamp || !signatures) throw new Error("a header is missing");
  const age = Math.abs(Date.now() / 1000 - Number(timestamp));
  if (!/^\d+$/.test(timestamp) || age > TOLERANCE_SECONDS) throw new Error("too old");
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  const bytes = Buffer.from(encoded, "base64");
  const fits = kind === "whpk" ? ed25519(signed, bytes) : hmac(signed, bytes);
  if (!signatures.split(" ").some(fits)) throw new Error("no signature fits");
  return JSON.parse(body.toString("utf8"));
}

function hmac(signed, secret) {
  const expected = createHmac("sha256", secret).update(signed).digest();
  return (signature) => {
    const [version, value] = signature.split(",");
    const given = Buffer.from(value ?? "", "base64");
    return version === "v1" && given.length === expected.length && timingSafeEqual(given, expected);
  };
}

function ed25519(signed, publicKey) {
  const x = publicKey.toString("base64url");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  return (signature) => {
    const [version, value] = signature.split(",");
    const given = Buffer.from(value ?? "", "base64");
    return version === "v1a" && verifyEd25519(null, signed, key, given);
  };
}

async function receive(request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  try {
    const event = verify(Buffer.concat(chunks), request.headers, process.env.SECRET);
    console.log(request.headers["webhook-id"], event.type);
    response.writeHead(204).end();
  } catch (error) {
    console.error(error.message);
    response.writeHead(400).end();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  createServer(receive).listen(process.env.PORT ?? 9000, "127.0.0.1");
}
