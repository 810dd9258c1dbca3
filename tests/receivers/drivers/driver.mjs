// Run the `verify` of a file over messages: `driver.mjs FILE`, JSON in, verdicts out.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { verify } = await import(pathToFileURL(process.argv[2]).href);
const verdicts = JSON.parse(readFileSync(0, "utf8")).map(({ body, headers, key }) => {
  try {
    return verify(Buffer.from(body, "base64"), headers, key).type;
  } catch {
    return null;
  }
});
console.log(JSON.stringify(verdicts));
