/** A number that names one row of one table. Ids come from identity columns, grow with creation and fit a double. */
type Id<Name extends string> = number & { readonly __id: Name };

export type TeamId = Id<'team'>;
export type PipelineId = Id<'pipeline'>;
export type ResourceId = Id<'resource'>;
export type HistoryId = Id<'history'>;
export type JobId = Id<'job'>;
export type BuildId = Id<'build'>;
export type SourceId = Id<'source'>;
export type UserId = Id<'user'>;
export type TokenId = Id<'token'>;
export type ArtifactId = Id<'artifact'>;
