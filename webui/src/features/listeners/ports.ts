/** What a port of the gateway's own is for, and which setting has its address. */
export interface OwnPort {
  name: string;
  title: string;
  purpose: string;
  setting: string;
}

const OWN: readonly OwnPort[] = [
  {
    name: "main",
    title: "the data plane's own port",
    purpose: "Applications call models here. It has no rules: a request goes where its model leads, or to the default upstream.",
    setting: "TOLLKEEPER_DATA_ADDRESS",
  },
  {
    name: "console",
    title: "the console's port",
    purpose: "This application, management over REST and Connect, metrics and health. The data plane is below /v1 here, too.",
    setting: "TOLLKEEPER_CONSOLE_ADDRESS",
  },
  {
    name: "grpc",
    title: "the management port for gRPC",
    purpose: "The command line and clients manage the gateway here.",
    setting: "TOLLKEEPER_GRPC_ADDRESS",
  },
];

/** Return what a port is for if it is the gateway's own; undefined for a listener. */
export const ownPort = (name: string): OwnPort | undefined => OWN.find((it) => it.name === name);
