/** What the tests use of it; the package brings no types. */
declare module 'bpush-nodejs' {
  const bpush: {
    config: { ak: string; sk: string };
    apis: Readonly<
      Record<
        | 'pushMsgToSingleDevice'
        | 'pushMsgToAll'
        | 'pushMsgToTag'
        | 'queryMsgStatus'
        | 'queryTags'
        | 'createTag'
        | 'deleteTag'
        | 'addDevicesToTag'
        | 'removeDevicesFromTag'
        | 'deviceNumInTag'
        | 'reportStaticDevice',
        string
      >
    >;
    constant: {
      DEVICE_TYPE: { ANDROID: 3; IOS: 4 };
      MSG_TYPE: { MESSAGE: 0; NOTIFICATION: 1 };
      DEPLOY_STATUS: { DEVELOPMENT: 1; PRODUCTION: 2 };
    };
    /** Resolves with the text of the answer, whatever it says; writes `apikey`, `timestamp` and `sign` into `params`. */
    sendRequest(
      api: string,
      params: Record<string, unknown>,
      headers?: Record<string, string>,
      method?: 'GET' | 'POST',
    ): Promise<string>;
  };
  export default bpush;
}
