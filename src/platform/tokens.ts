/** Injection tokens of the house services that are not classes. */
export const LOGGER = Symbol('logger');
export const CLOCK = Symbol('clock');
