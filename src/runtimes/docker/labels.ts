/** Everything that a run makes in Docker carries its id under this label: `recover` finds it so. */
export const RUN_LABEL = 'stillpoint.run';
/** The same of servers that a restore has made: they stay. */
export const RESTORED_LABEL = 'stillpoint.restored';
