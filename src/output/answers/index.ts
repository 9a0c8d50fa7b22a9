import type { Look } from '../look.ts';
import type { Answer, Bodies, Result } from '../results.ts';
import { backupText } from './backup.ts';
import { detectText } from './detect.ts';
import { copyText, forgetText, pinText } from './keeping.ts';
import { listText } from './list.ts';
import { planText } from './plan.ts';
import { grantsText, recipesText, recipeText, validConfigText, writtenText } from './settings.ts';
import { byHandText, showText } from './show.ts';
import { checkText, recoverText, restoreText, verifyText } from './store.ts';

const TEXTS: { readonly [A in Answer]: (body: Bodies[A], look: Look) => readonly string[] } = {
  detect: detectText,
  backup: backupText,
  plan: planText,
  list: listText,
  show: showText,
  'show commands': byHandText,
  check: checkText,
  verify: verifyText,
  restore: restoreText,
  recover: recoverText,
  forget: forgetText,
  pin: pinText,
  copy: copyText,
  init: writtenText,
  'config validate': validConfigText,
  'config show': ({ yaml }) => yaml.trimEnd().split('\n'),
  'config schema': (body) => JSON.stringify(body, null, 2).split('\n'),
  'recipe list': recipesText,
  'recipe show': ({ text }) => text.trimEnd().split('\n'),
  'recipe grants': grantsText,
  'recipe validate': recipeText,
};

/** The lines of one answer, without its notes and next command. */
export const answerText = <A extends Answer>(result: Result<A>, look: Look): readonly string[] =>
  TEXTS[result.answer](result.body, look);
