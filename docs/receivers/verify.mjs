// Verify Nameplate's webhooks. Needs nothing but Node.
import { createHmac, createPublicKey, timingSafeEqual, verify as verifyEd25519 } from "node:crypto";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const TOLERANCE_SECONDS = 300;

/**
 * Return the event, or throw: then somebody else sent it.
 * @param {Buffer} body the bytes that arrived
 * @param {Record<string, string>} headers by lower-case names, as Node has them
 * @param {string} key the endpoint's secret (whsec_...) or public key (whpk_...)
 */
export function verify(body, headers, key) {
  const id = headers["webhook-id"];
  const timestamp = headers["webhook-timestamp"];
  const signatures = headers["webhook-signature"];
  if (!id || !timestamp || !signatures) throw new Error("a header is missing");
  const age = Math.abs(Date.now() / 1000 - Number(timestamp));
  if (!/^\d+$/.test(timestamp) || age > TOLERANCE_SECONDS) throw new Error("too old");
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  const fits = key.startsWith("whpk_") ? ed25519(signed, key) : hmac(signed, key);
  if (!signatures.split(" ").some(fits)) throw new Error("no signature fits");
  return JSON.parse(body.toString("utf8"));
}

function hmac(signed, secret) {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const expected = createHmac("sha256", key).update(signed).digest();
  return (signature) => {
    const [version, value] = signature.split(",");
    const given = Buffer.from(value ?? "", "base64");
    return version === "v1" && given.length === expected.length && timingSafeEqual(given, expected);
  };
}

function ed25519(signed, publicKey) {
  const x = Buffer.from(publicKey.replace(/^whpk_/, ""), "base64").toString("base64url");
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
  } catch {
    response.writeHead(400).end();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  createServer(receive).listen(process.env.PORT ?? 9000, "127.0.0.1");
}
