import type { z } from 'zod';

/** Nothing is readonly, so that what a type says can be compared with what zod infers, which never is. */
type Plain<T> = T extends object ? { -readonly [K in keyof T]: Plain<T[K]> } : T;

/** Whether every value of the type is a valid document. */
export type Agrees<T, S extends z.ZodType> = [Plain<T>] extends [z.infer<S>] ? true : false;

/**
 * `satisfies z.ZodType<T>` shows that every valid document has the type; `Sure<Agrees<T, S>>` the other direction.
 * Together: a type and its schema in docs/ say the same, or this does not compile.
 */
export type Sure<T extends true> = T;
