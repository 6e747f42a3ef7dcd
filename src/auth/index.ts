export * from './auth.module.js';
export {
  AuthService,
  LoginRefused,
  NotAuthorized,
  TooManyLogins,
  type IssuedToken,
  type User,
} from './auth.service.js';
export { bearerToken, Caller, Open } from './auth.guard.js';
export { TeamsService } from './teams.service.js';
