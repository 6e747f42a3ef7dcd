/** The side door for the types that keep something in an S3 bucket (semver): how to reach it. */
export { refuseHalfCredentials, s3AccessKeys, s3HostOf, type S3Access } from './access.js';
export { isNotFound, statusOf, withS3, type S3Session } from './client.js';
