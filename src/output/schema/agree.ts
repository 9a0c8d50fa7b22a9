import type { z } from 'zod';

/** Nothing is readonly, and nothing but plain objects: so that what a type says can be compared with what zod infers. */
type Plain<T> = T extends object ? { -readonly [K in keyof T]: Plain<T[K]> } : T;

type Same<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false;

/** Whether a type and its schema say the same, to the last optional key. */
export type Agrees<T, S extends z.ZodType> = Same<Plain<T>, Plain<z.infer<S>>>;

/** Does not compile where it is not so: then docs/ would tell its readers something else than the program. */
export type Sure<T extends true> = T;
