import { describe, expect, test } from 'vitest';
import { claim } from '../../../src/backup/claim.ts';
import type { Window } from '../../../src/backup/seen.ts';
import type { Captured } from '../../../src/engines/capture.ts';
import type { HoldEvidence } from '../../../src/model/manifest.ts';
import type { Plan } from '../../../src/model/plan.ts';
import { manifest, plan as one } from '../output/documents.ts';
import { interval, witness } from './evidence.ts';

const [template] = one.sources;
const [record] = manifest.sources;
if (!template || !record) throw new Error('the documents have changed');

const captured: Captured = record;
const plan: Plan = {
  ...one,
  consistency: 'coordinated',
  hold: ['maria'],
  sources: [
    { ...template, name: 'pg', reasons: [{ code: 'one-unheld', text: 'one source may go unheld' }] },
    { ...template, name: 'maria', reasons: [] },
  ],
};
const held: HoldEvidence = { held: interval(0, 60), session: witness.session, unbroken: true, reasons: [] };
const window: Window = {
  held: { maria: held },
  cut: { pg: interval(40, 42), maria: interval(41, 47.5) },
  flushed: { pg: interval(13, 16), maria: interval(13, 16) },
  positions: {},
  reasons: {},
};
const claimed = (of: Window, by: Plan = plan) =>
  claim(by, of, { pg: captured, maria: captured }, { tool: 'test', started: '', ended: '', kept: [], drained: [] });

describe('the claim of a backup', () => {
  test('CUT-1 all but one held, nothing in doubt: one instant, and the unheld source says so', () => {
    const made = claimed(window);
    expect(made.coordination).toEqual({ claimed: true, skew: 7.5, reasons: [] });
    expect(made.sources[0]?.reasons.map((it) => it.code)).toEqual(expect.arrayContaining(['unheld', 'one-unheld']));
    expect(made.sources[1]?.reasons[0]?.text).toContain(`held 60 ms by ${witness.session}`);
  });

  test('CUT-4 any doubt: not one instant, but the skew and the reason with the name of the source', () => {
    const reason = { code: 'held-late', text: 'held only 3 ms after the cut of pg had begun' };
    const broken = { ...held, unbroken: false, reasons: [reason] };
    const made = claimed({ ...window, held: { maria: broken }, reasons: { maria: [reason] } });
    const told = { code: 'held-late', text: `maria: ${reason.text}` };
    expect(made.coordination).toEqual({ claimed: false, skew: 7.5, reasons: [told] });
    expect(made.sources[1]?.reasons[0]?.code).toBe('hold-unproven');
  });

  test('CUT-4 two unheld sources: not one instant, whatever each says of itself', () => {
    const made = claimed({ ...window, held: {} });
    expect(made.coordination).toMatchObject({ claimed: false, reasons: [{ code: 'several-unheld' }] });
  });

  test('CUT-1 coordinate: false claims nothing and needs no reason', () => {
    const made = claimed(window, { ...plan, consistency: 'independent' });
    expect(made.coordination).toMatchObject({ claimed: false, reasons: [] });
  });
});
