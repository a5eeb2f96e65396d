// @ts-check
/**
 * Numbers, amounts and dates as the page writes them.
 *
 * @module
 */

/** A whole number with a comma from four digits on: `20,001`.
 * @param {number} value
 */
export const grouped = (value) => value.toLocaleString("en");

/** A number with its noun: `1 image`, `2 images`.
 * @param {number} count
 * @param {string} noun In the singular; an `s` makes its plural.
 */
export const counted = (count, noun) => `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;

/** A date for people: the time alone where it is today.
 * @param {number} date ms since 1970.
 */
export function dateText(date) {
  const then = new Date(date);
  const isToday = then.toDateString() === new Date().toDateString();
  const format = (/** @type {Intl.DateTimeFormatOptions} */ options) => new Intl.DateTimeFormat(undefined, options).format(then);
  const time = format({ hour: "numeric", minute: "2-digit" });
  return isToday ? `today ${time}` : `${format({ day: "numeric", month: "short" })} ${time}`;
}
