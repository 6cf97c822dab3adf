/**
 * A plain interpreter of a made-up program: what emulating a pipeline costs when a program is data
 * that is looked up for every packet. Not part of the data path: `npm run bench -- rmt` sets the
 * two compiled forms against it.
 *
 * A program is an array of operations of eight words. A stateful ALU: {register, compared field,
 * constant, operand field, operation when it is larger, operation otherwise, result field, 0}; an
 * action: {compared field, constant, first field, second field, operation, result field, 0, 0}.
 */

const OPERATION_BYTES: u32 = 32;
/** Stages, and what each has. */
const STAGES: u32 = 18;
const STATEFUL: u32 = 2;
const ACTIONS: u32 = 4;

function compute(operation: u32, a: u32, b: u32): u32 {
  switch (operation & 7) {
    case 0: return a + b;
    case 1: return a - b;
    case 2: return a & b;
    case 3: return a | b;
    case 4: return a ^ b;
    case 5: return max(a, b);
    case 6: return min(a, b);
    default: return b;
  }
}

function stateful(program: usize, phv: usize, row: usize): void {
  const address = row + load<u32>(program) * 4;
  const old = load<u32>(address);
  const larger = load<u32>(phv + load<u32>(program, 4) * 4) > load<u32>(program, 8);
  const operand = load<u32>(phv + load<u32>(program, 12) * 4);
  const operation = larger ? load<u32>(program, 16) : load<u32>(program, 20);
  store<u32>(address, compute(operation, old, operand));
  store<u32>(phv + load<u32>(program, 24) * 4, old);
}

function act(program: usize, phv: usize): void {
  if (load<u32>(phv + load<u32>(program) * 4) <= load<u32>(program, 4)) return;
  const a = load<u32>(phv + load<u32>(program, 8) * 4);
  const b = load<u32>(phv + load<u32>(program, 12) * 4);
  store<u32>(phv + load<u32>(program, 20) * 4, compute(load<u32>(program, 16), a, b));
}

/**
 * `count` packets through 18 stages of 2 stateful ALUs and 4 actions over 32 fields. `indexes`: a
 * row for each, of `rowBytes` from `rows` on. Returns a field, so that no work is left out.
 */
export function interpret(
  program: usize,
  phv: usize,
  rows: usize,
  rowBytes: u32,
  indexes: usize,
  count: u32,
): u32 {
  for (let i: u32 = 0; i < count; i++) {
    const row = rows + load<u32>(indexes + i * 4) * rowBytes;
    let operation = program;
    for (let stage: u32 = 0; stage < STAGES; stage++) {
      for (let s: u32 = 0; s < STATEFUL; s++) {
        stateful(operation, phv, row);
        operation += OPERATION_BYTES;
      }
      for (let s: u32 = 0; s < ACTIONS; s++) {
        act(operation, phv);
        operation += OPERATION_BYTES;
      }
    }
  }
  return load<u32>(phv);
}
