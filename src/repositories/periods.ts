import type { Instant } from '../model/time.ts';

/** The periods that retention counts by, from short to long. */
export const PERIODS = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;
export type Period = (typeof PERIODS)[number];

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Tells in which hour, day, week, month and year an instant lies, for people who live in `timeZone`. */
export function calendar(timeZone: string): (at: Instant, period: Period) => string {
  const format = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' });
  return (at, period) => {
    const time = Date.parse(at);
    // Hours are counted in UTC: a clock that is set back has 02:00 to 03:00 twice.
    if (period === 'hourly') return `${new Date(Math.floor(time / HOUR) * HOUR).toISOString().slice(0, 13)}h UTC`;
    const day = format.format(time);
    switch (period) {
      case 'daily':
        return day;
      case 'weekly':
        return weekOf(day);
      case 'monthly':
        return day.slice(0, 7);
      case 'yearly':
        return day.slice(0, 4);
    }
  };
}

/** `2026-W53`: weeks of ISO 8601 begin on Monday and belong to the year that their Thursday lies in. */
function weekOf(day: string): string {
  const date = Date.parse(`${day}T00:00:00Z`);
  const thursday = new Date(date + (3 - ((new Date(date).getUTCDay() + 6) % 7)) * DAY);
  const year = thursday.getUTCFullYear();
  const week = Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * DAY)) + 1;
  return `${year}-W${String(week).padStart(2, '0')}`;
}
