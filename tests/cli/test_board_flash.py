"""What the board's commands say of a flash."""

from ohmgate.boards.catalogue import BOARDS


def test_a_list_says_which_board_keeps_a_network(ohmgate):
    done = ohmgate("board", "list")
    keeps = {line.split()[0] for line in done.stdout.splitlines() if " network " in line}
    assert keeps == {key for key, board in BOARDS.items() if board.flash} == {"hx8k-b-evn"}


def test_a_file_for_the_flash_of_a_board_without(ohmgate, tmp_path):
    done = ohmgate("board", "simulate", "vowels", "--board", "icebreaker", "--flash", tmp_path / "flash")
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (
        2,
        f"ohmgate: error: icebreaker has no flash whose bytes '{tmp_path / 'flash'}' could hold",
    )
    assert not (tmp_path / "flash").exists()
