import { ChangeAction, RevisionDoor } from "@tollkeeper/client/v1/configuration_service";

/** The ways by which changes come in. */
export const DOORS: Record<RevisionDoor, string> = {
  [RevisionDoor.UNSPECIFIED]: "not known",
  [RevisionDoor.GRPC]: "gRPC",
  [RevisionDoor.CONNECT]: "Connect",
  [RevisionDoor.REST]: "REST",
  [RevisionDoor.FILE]: "configuration file",
  [RevisionDoor.DEMO]: "demo",
  [RevisionDoor.ROTATION]: "rotation of keys",
};

export const ACTIONS: Record<ChangeAction, string> = {
  [ChangeAction.UNSPECIFIED]: "changed",
  [ChangeAction.CREATE]: "added",
  [ChangeAction.UPDATE]: "changed",
  [ChangeAction.DELETE]: "removed",
};
