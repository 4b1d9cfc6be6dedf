#!/usr/bin/env node
// Plain, old JavaScript on purpose: this file must parse on the very Node that it turns away.
const major = Number(process.versions.node.split('.')[0]);

if (major < 24 || !process.features.typescript) {
  console.error(
    `pushmill runs its TypeScript sources directly, which needs Node 24 or newer, and this is Node ${process.versions.node}. ` +
      'The right one is installed beside pushmill: run it with "npx pushmill" or "npm start".',
  );
  process.exitCode = 1;
} else {
  import('../src/main.ts').then((cli) => cli.main(process.argv, process.env));
}
