#!/usr/bin/env node
// In old syntax on purpose: an old Node must get as far as saying what is missing.
var needed = 24;
var found = process.versions.node;

if (parseInt(found, 10) < needed) {
  process.stderr.write(`stillpoint needs Node.js ${needed} or newer; this is ${found} (${process.execPath}).\n`);
  process.exitCode = 2;
} else {
  require('./import.cjs');
}
