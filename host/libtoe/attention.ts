/**
 * Whether a turn has something that few turns have: bytes held back, deadlines, corks, connections
 * that are over, sockets that wait for chunks. Whoever has some says so here, so that the others
 * look at one flag and not at five.
 */
export class Attention {
  due = false;
}
